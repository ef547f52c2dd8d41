"""The demonstration: four real nodes at three levels on one machine, fed, compared and shown.

It uses what a user has: the command line, the open API and their JSON documents. From the node itself it borrows only
what makes data (identifiers, canonical bytes); nothing here reaches into a running node. In the record's journey it
stands outside, before the doors. ``yizhan demo`` and ``scripts/demo`` call ``node.demo.demonstration``.
"""
