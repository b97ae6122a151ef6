"""The command line and the composition root: the one package above both runners."""
