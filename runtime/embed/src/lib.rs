//! Sentence embeddings on the CPU with candle.
