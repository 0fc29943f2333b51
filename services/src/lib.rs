//! First-party programs. Written next.
