"""What people touch: the Python API, the command line, HTTP and the web page.

`marklens` wires register, index and network together; `request` and `answers` are what it takes
and returns, `fields` reads a request from texts, `schemas` says it as JSON, `errors` as status and
exit code; `cli`, `http`, `web` and `demo` are its faces. Only the package `marklens` imports it.
"""
