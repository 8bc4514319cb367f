//! What every Ropewalk tool server shares: transports, limits, schemas, citations.
