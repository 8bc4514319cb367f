//! Graphs as pictures.
