"""The web pages: templates, one style sheet and a little plain JavaScript, no build step."""
