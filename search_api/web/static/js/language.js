// The switch of languages: the page is loaded again in place, so that a query picture stays.

for (const link of document.querySelectorAll('.masthead [hreflang]')) {
  link.addEventListener('click', (event) => {
    event.preventDefault()
    document.cookie = `lang=${link.hreflang}; path=/; max-age=31536000; samesite=lax`
    const address = new URL(location.href)
    address.searchParams.delete('lang')
    history.replaceState(history.state, '', address)
    location.reload()
  })
}
