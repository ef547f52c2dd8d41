"""The simulation: whole trees in one process, real journals and exchanges, and a network that misbehaves by a seed.

``python -m tests.simulation --seed N --trace`` replays one history; ``test_histories`` runs many. A history is made by
``history.run_history``: ``world`` holds the nodes and the messages under way, ``steps`` says what may happen next,
``witness`` remembers what must stay true and looks after every step, ``quiet`` ends the faults and compares everything.
"""
