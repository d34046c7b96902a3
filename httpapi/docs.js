// Shows openapi.yaml. The token that is entered lives as long as the page.
SwaggerUIBundle({
  url: 'openapi.yaml',
  dom_id: '#docs',
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // Swagger UI would ask a server of its makers
});
