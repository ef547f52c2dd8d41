"""The pages for second entry, at ``/entry/`` of the face listener, where a level switches them on."""
