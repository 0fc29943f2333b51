//! PID 1. Written next.
