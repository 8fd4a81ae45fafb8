"""The HTTP room: the app, its middleware, errors, bodies, paging and the OpenAPI document."""
