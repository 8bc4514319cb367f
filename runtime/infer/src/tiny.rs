//! Small models with random weights: the true path without a download.
