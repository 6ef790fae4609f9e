//! An answer of Verifa's, whatever was asked for, with what came beside it.
//!
//! Its times are measured by this computer's clock only where Verifa told none.

use jiff::Timestamp;
use reqwest::StatusCode;

/// An answer and what came with it.
#[derive(Debug, Clone)]
pub struct ApiResponse<T> {
    /// What was asked for.
    pub value: T,
    /// The HTTP status, one of 2xx.
    pub status: StatusCode,
    /// How many requests it took.
    pub attempts: u32,
    /// The answer's `Date`, to compare other times of the answer with.
    pub date: Option<Timestamp>,
    /// This computer's time when the answer came.
    pub received: Timestamp,
}

impl<T> ApiResponse<T> {
    /// The clock that this answer's times are measured by: Verifa's own, else this computer's.
    pub fn now(&self) -> Timestamp {
        self.date.unwrap_or(self.received)
    }
}
