//! The workstation tool. Written next.
