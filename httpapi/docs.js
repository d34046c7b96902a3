// Shows openapi.yaml. The token is kept in memory until the page is closed.
SwaggerUIBundle({
  url: 'openapi.yaml',
  dom_id: '#docs',
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // the default validator is an external server
});
