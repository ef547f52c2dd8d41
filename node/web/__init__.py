"""The faces of a node over HTTP: the link listener for neighbours, the face listener for people and departments."""
