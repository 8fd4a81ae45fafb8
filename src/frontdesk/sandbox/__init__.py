"""The sandbox: simulated property management systems that answer over real sockets.

It holds the chassis (an HTTP server, a seeded world on disk, throttles, faults on demand, the
record of every effect) and knows no vendor: a simulator is found in the vendor's own package, as
`frontdesk.vendors.<name>.simulator`, and stands on this package alone. It refuses to be an
authority on any real system: what a simulator guesses is listed in its `guesses`, and answered at
`GET /_sandbox`.
"""
