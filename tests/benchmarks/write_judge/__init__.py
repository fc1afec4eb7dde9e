"""A judge of everything that the product writes. It shares no code with the product.

The judge (``record``, ``clocks``, ``facts``, ``windows``, ``meetings``, ``limits``, ``gates``, ``bodies``,
``manners``, ``judge``, ``way_back``) sees only the wire and the state of the service, and imports nothing but the
standard library. The driver (all other modules) starts the product's commands and makes their life hard.
"""
