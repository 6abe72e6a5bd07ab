"""The web pages: `pages` routes them, `plain` those without scripts, `views` prepares values.

Style sheets and plain JavaScript modules are served as they are, without a build step; they reach
the register through the HTTP API only. The room imports `http`, `schemas` and what lies below
them, and only `search_api.app` imports it.
"""
