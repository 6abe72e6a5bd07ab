// The page of the HTTP API: Swagger UI over the server's own OpenAPI document, without other hosts.

const place = document.getElementById('docs')

// Its style sheet has both schemes, and a class that chooses.
const isDark = matchMedia('(prefers-color-scheme: dark)')
const choose = () => document.documentElement.classList.toggle('dark-mode', isDark.matches)
isDark.addEventListener('change', choose)
choose()

window.SwaggerUIBundle({
  url: place.dataset.openapi,
  domNode: place,
  deepLinking: false,  // links would stand within buttons
  validatorUrl: null,  // it would send the document to a service elsewhere
})

// Names and the keyboard's reach that Swagger UI leaves out (WCAG 4.1.2, 2.1.1), whatever it draws anew.
const mend = () => {
  for (const field of place.querySelectorAll(':is(select, input, textarea):not([aria-label])')) {
    field.ariaLabel = field.closest('tr')?.querySelector('.parameter__name')?.textContent || field.placeholder || 'Choice'
  }
  for (const code of place.querySelectorAll('.microlight:not([tabindex])')) code.tabIndex = 0
}
new MutationObserver(mend).observe(place, { childList: true, subtree: true })
