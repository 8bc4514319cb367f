//! A document to its piece, without a model.
