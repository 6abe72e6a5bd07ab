// The page of the HTTP API: Swagger UI over the server's own OpenAPI document, without other hosts.

const place = document.getElementById('docs')

window.SwaggerUIBundle({
  url: place.dataset.openapi,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,  // it would send the document to a service elsewhere
})
