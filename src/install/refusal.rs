//! Why a configuration is left as it is, in words for a person. None of them holds anything of the file but an entry's name
//! and what it starts.

/// What is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("is not {language} that can be read, at line {line}")]
    Syntax { language: &'static str, line: usize },
    #[error("has another form than it should: {0} is not {1}")]
    Shape(&'static str, &'static str),
    #[error("has \"{0}\" twice, of which only the last counts")]
    Twice(String),
}

/// Why nothing is done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file is not what the client would read.
    #[error("it {0}; correct it first")]
    Broken(String),
    /// The name belongs to another server.
    #[error(
        "its entry \"{name}\" is another server's: it starts \"{starts}\"; take another name with --name, or take that \
         entry out yourself"
    )]
    Foreign {
        /// The name.
        name: String,
        /// What the other entry starts.
        starts: String,
    },
    /// The only way in is a command line, which others can read.
    #[error(
        "Claude Code takes entries on a command line only, which other users of this computer can read; put the key into \
         a file and name it with --api-key-file"
    )]
    KeyOnCommandLine,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault.to_string())
    }
}
