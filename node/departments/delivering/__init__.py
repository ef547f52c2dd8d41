"""Delivering: records for a department of this node go down to its own system.

How a record gets there
    1. An adapter's *route* says for which organisations it serves, and which record types they want
       (``routes``). Routing is by organisation and not by division: a department that is managed from its own line
       above (条管) has cases of many divisions.
    2. ``queue`` walks the records in the order in which they arrived at this node, whoever wrote them: from above,
       from below, from another department of this node. What a route wants becomes a row of ``downward_delivery``, in
       the transaction that moves the route's place forward.
    3. The adapter is given one document after another, oldest first. The key of a document is its stream and position,
       so that the department's system can tell a repeated one.
    4. Once the adapter has handed it over, an Acknowledgement is written and the row says *delivered*, in one
       transaction (``acknowledging``). It goes to whoever sent the record, and up.

What can go wrong
    - Killed after the handing over and before that transaction: the document is handed over again under the same key,
      which changes nothing there. One Acknowledgement is written.
    - The department's system is away: the documents wait in their order. It refuses one for good: the row says
      *refused* with the reason, and the others go on; a person may have it delivered again.
    - A record is set aside (quarantined) when it arrives: its row is *held* until it can be applied, then judged.
    - A record is erased before it was handed over: the row says *gone*.
"""
