"""The server: an HTTP API, the routes of Data Portraits' server, and pages for people. Needs the extra ``server``."""
