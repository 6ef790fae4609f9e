//! The only list of tools: how each is shown in `tools/list`, and how it is found by its name.
//!
//! What a tool's effect means for its definition (hints, card) is decided here, never guessed from a name.

use std::sync::OnceLock;

use rmcp::model::{JsonObject, Tool as Definition, ToolAnnotations};

use super::{
    GenerateOneTimeLink, GetSession, ListSessions, NotSent, Prepared, ResumeSession, ServerState, Tool, ToolSettings,
    arguments::input_schema, prepare,
};
use crate::{
    app,
    call::{Arrival, Caller, Effect, ToolSpec, environment_label},
    verifa::Environment,
};

/// Every tool, in the order of `tools/list`.
pub(crate) static TOOLS: [Entry; 4] = [
    Entry::of::<ListSessions>(),
    Entry::of::<GetSession>(),
    Entry::of::<ResumeSession>(),
    Entry::of::<GenerateOneTimeLink>(),
];

/// A tool whose type is erased.
pub(crate) struct Entry {
    pub(crate) spec: &'static ToolSpec,
    definition: fn(&ToolSettings) -> Definition,
    pub(crate) prepare: for<'a> fn(JsonObject, &'a ServerState, &'a Caller, Arrival) -> Result<Prepared<'a>, NotSent>,
}

impl Entry {
    const fn of<T: Tool>() -> Self {
        Self { spec: T::SPEC, definition: definition::<T>, prepare: prepare::<T, _> }
    }
}

pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    TOOLS.iter().find(|entry| entry.spec.name == name)
}

fn definition<T: Tool>(settings: &ToolSettings) -> Definition {
    let ToolSpec { name, description, effect, .. } = *T::SPEC;
    // A read may be repeated at will; each new link replaces the one before.
    let hints = ToolAnnotations::default()
        .read_only(effect.is_read())
        .destructive(false)
        .idempotent(effect.is_read())
        .open_world(true);
    let definition = Definition::new(name, description, input_schema(T::ARGUMENTS, settings))
        .with_raw_output_schema(T::output_schema(settings).into())
        .with_annotations(hints);
    match effect {
        Effect::CreatesLink => definition.with_meta(app::tool_meta()),
        Effect::Read | Effect::Changes => definition,
    }
}

/// The definitions of all tools for each environment, created when first needed: their titles name it.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    unknown: OnceLock<Vec<Definition>>,
    sandbox: OnceLock<Vec<Definition>>,
    live: OnceLock<Vec<Definition>>,
}

impl Definitions {
    /// The tools that a caller may use, in the order of `tools/list`.
    pub(super) fn offered(&self, caller: &Caller, settings: &ToolSettings) -> Vec<Definition> {
        let environment = caller.environment();
        let all = match environment {
            None => &self.unknown,
            Some(Environment::Sandbox) => &self.sandbox,
            Some(Environment::Live) => &self.live,
        };
        let all = all.get_or_init(|| TOOLS.iter().map(|entry| titled(entry, environment, settings)).collect());
        let allowed = TOOLS.iter().zip(all).filter(|(entry, _)| caller.permissions.allows(entry.spec));
        allowed.map(|(_, definition)| definition.clone()).collect()
    }
}

fn titled(entry: &Entry, environment: Option<Environment>, settings: &ToolSettings) -> Definition {
    let title = match environment {
        Some(environment) => format!("{} ({})", entry.spec.title, environment_label(environment, settings.emulated)),
        None => entry.spec.title.to_owned(),
    };
    let mut definition = (entry.definition)(settings).with_title(title.clone());
    if let Some(annotations) = &mut definition.annotations {
        annotations.title = Some(title);
    }
    definition
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::call::{Permissions, Toolset};

    fn allowed(permissions: &Permissions) -> Vec<&'static str> {
        TOOLS.iter().map(|entry| entry.spec).filter(|tool| permissions.allows(tool)).map(|tool| tool.name).collect()
    }

    #[test]
    fn toolsets_and_read_only_leave_the_tools_that_they_name() {
        let of = |toolsets: &[Toolset], read_only| {
            allowed(&Permissions { toolsets: Some(BTreeSet::from_iter(toolsets.iter().copied())), read_only })
        };
        assert_eq!(allowed(&Permissions::default()).len(), TOOLS.len());
        assert_eq!(
            allowed(&Permissions { read_only: true, ..Permissions::default() }),
            ["list_sessions", "get_session"]
        );
        assert_eq!(of(&[Toolset::Lookup], false), ["list_sessions", "get_session"]);
        assert_eq!(of(&[Toolset::Resume], false), ["resume_session"]);
        assert_eq!(of(&[Toolset::Links, Toolset::Resume], false), ["resume_session", "generate_one_time_link"]);
        assert_eq!(of(&[Toolset::Links, Toolset::Resume], true), [""; 0]);
        assert_eq!(of(&[], false), [""; 0]);
    }
}
