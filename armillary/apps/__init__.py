"""Applications: the command line, the predictor, plots and reports; nothing imports them."""
