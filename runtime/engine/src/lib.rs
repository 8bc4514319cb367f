//! Runs agent machines: performs their effects and logs every event.
