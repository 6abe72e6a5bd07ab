"""What people touch: the Python API, the command line, HTTP and the web page."""
