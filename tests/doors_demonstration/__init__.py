"""The demonstration of the doors: three levels of real nodes, and a department's real system behind each door at once.

    python -m tests.doors_demonstration [--check]        (what ``scripts/demo --doors`` calls)

It stands in tests because the departments' systems do: programs that others wrote, or test support, none of which is
shipped. Each door is in ``departments``; ``demonstration`` does everything from beginning to end.
"""
