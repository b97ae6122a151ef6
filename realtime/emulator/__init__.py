"""Three venues on loopback: seeded markets or recorded tapes behind the venues' own REST and WebSocket protocols.

::

    listings   what is listed, by which rules           server    sockets of one venue: REST, WebSocket, bounded queues
    path       one seeded price path per coin           emulator  all venues in one loop; the async API
    bars       minute bars of an instrument over it     tape      recorded journals in their own time
    zone       the trades behind the newest bars        recorded  candles and funding from CSV files
    book, flow a live order book and its order flow     market    history and live trades as one `MarketView`
"""
