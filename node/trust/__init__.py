"""Keys, certificates, joining and the tree: who a node is, and who stands above whom."""
