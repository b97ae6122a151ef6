"""The fault lab: what goes wrong at the emulated venues, by plan or by chance, the same for the same seed.

::

    plan      faults, chaos, reading YAML            kinds        every kind: what, where, parameters
    desk      starts and ends faults, the log        parts        fault, frame, connection, the face of an injector
    frames    lost, doubled, late, garbage, silent   books        holes, resets, snapshots that do not fit
    replies   REST: refused, broken, empty, holed    connections  cut, refused, half open, unheard
    markets   clocks, maintenance, bursts, ticks     wording      how each venue says that something is wrong
"""
