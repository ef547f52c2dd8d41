"""The node's side of its doors: adapters bring what departments' systems hand over, each in a process of its own.

How a delivery comes in
    1. ``adapters.toml`` of the home names the adapters (``adapters_file``): kind, source, dialect, limits, and the
       settings of the kind, which the kind itself declares (``kinds``, ``kind_settings``). Secrets stand apart
       (``secrets``).
    2. The ``doorkeeper`` of a running node has a ``keeper`` for each of them: a thread that knows when the source may
       be asked (``hours``, ``pace``, ``rest``) and what is known of it (``book``).
    3. The keeper starts a process (``doorway``) in which the adapter is opened (``door``). Only this process talks to
       the department's system. It opens no home, no key and no store; what it says is checked (``messages``).
    4. A round asks for deliveries one by one (``rounds``). Each goes through the same intake as every other door
       (``taking_in``). After the commit its cursor is kept, and then the source is told.

What can go wrong
    - The process hangs, crashes, or says what it may not: it is ended, the reason is kept, another one is started after
      a rest. Nothing that was not answered is lost: it comes again.
    - Killed between commit and answer: the delivery comes again, and its records are *repeated*.
    - The node cannot take anything in (in doubt, disk nearly full, store busy): nothing is answered; it comes again.
    - No dialect reads a delivery: it is kept as refused, and the source is told.
"""
