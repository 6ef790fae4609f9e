//! The local Verifa.
