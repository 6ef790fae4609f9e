//! What OAuth clients meet on their way to a call: metadata, challenges, scopes; and who the caller is then.
