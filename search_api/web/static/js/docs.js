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
  deepLinking: true,
  validatorUrl: null,  // it would send the document to a service elsewhere
})
