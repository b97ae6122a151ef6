"""Three venues on loopback: seeded markets or recorded tapes behind the venues' own REST and WebSocket protocols.

::

    listings   what is listed, by which rules           view         all instruments of a venue as one `MarketView`
    path       one seeded price path per coin           emulator     all venues in one loop; the async API
    bars       minute bars of an instrument over it     server       sockets of one venue: REST, WebSocket
    zone       the trades behind the newest bars        client       one WebSocket client, what waits for it
    book, flow a live order book and its order flow     budgets      bans of those who ignore a 429
    forced     liquidations within the flow             tape         recorded journals in their own time
    telling    integers as the records of all           playback     what a tape's venue knows now
    pages      trades out of the zone into the flow     market       history, the flow and what is stated
    derivatives  mark, index, funding, open interest    recorded     candles and funding from CSV files
    states     states of trading, insurance pools       changes      a market in a hurry, a finer tick, an end
    truth      a log of what was traded                 faults/      what goes wrong
"""
