"""The fault lab: each kind of fault happens once at an emulated venue, in virtual time, and what we say is compared.

::

    scenes    which fault, where, provoked by what, and what is promised of it, with reasons
    ground    the market behind it: seeded, or a recorded session
    far       the venue's end: markets, protocol, faults; no socket
    edge      our end of the wire as `feed`, `connections` and `pulse` behave: dialling, backoff, REST, frame limits
    truth     what the market did                     witness   what we published of it, and when we knew
    stage     one scene from its first second to its row
"""
