//! Files, ports and signals that this process may still reach (`landlock(7)`). What the kernel does not know is passed over:
//! ask [`supported`] first.

use std::path::Path;

use landlock::{
    ABI, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

/// What a kernel may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Reading and writing by path (version 3, Linux 6.2; truncation is the last part of it).
    Files,
    /// TCP ports (version 4, Linux 6.7).
    Ports,
    /// Signals and abstract unix sockets (version 6, Linux 6.12).
    Scopes,
}

/// What is left of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules<P> {
    /// May be read, with all below; `None`: everything.
    pub read: Option<Vec<P>>,
    /// May be written, with all below; `None`: everything. Reading is another matter.
    pub write: Option<Vec<P>>,
    /// TCP ports to connect to; `None`: any.
    pub connect: Option<Vec<u16>>,
    /// TCP ports to listen at; `None`: any.
    pub bind: Option<Vec<u16>>,
    /// No signal reaches a process that did not start from this one.
    pub own_signals: bool,
    /// Abstract unix sockets of others cannot be connected to.
    pub own_sockets: bool,
}

impl<P> Rules<P> {
    /// Whether nothing is taken away.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let lists = self.read.is_none() && self.write.is_none();
        let ports = self.connect.is_none() && self.bind.is_none();
        lists && ports && !self.own_signals && !self.own_sockets
    }
}

/// The version of this kernel's Landlock; 0 where it has none, or where it was not switched on at boot.
#[must_use]
pub fn version() -> i32 {
    const VERSION: libc::c_long = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads no memory and creates nothing.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0usize, VERSION) };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// Whether this kernel does it.
#[must_use]
pub fn supported(feature: Feature) -> bool {
    let needed = match feature {
        Feature::Files => 3,
        Feature::Ports => 4,
        Feature::Scopes => 6,
    };
    version() >= needed
}

/// Takes everything else away, for good. Sets no_new_privs. A path that is not there is passed over.
///
/// # Errors
/// As `landlock_restrict_self(2)`.
pub fn restrict(rules: &Rules<impl AsRef<Path>>) -> Result<(), RulesetError> {
    if rules.is_empty() {
        return Ok(());
    }
    let (read, write) = (AccessFs::from_read(ABI::V3), AccessFs::from_write(ABI::V3));
    let created = handled(rules, read, write)?.create()?;
    let created = paths(created, rules.read.as_deref(), read)?;
    let created = paths(created, rules.write.as_deref(), write)?;
    let created = ports(created, rules.connect.as_deref(), AccessNet::ConnectTcp)?;
    ports(created, rules.bind.as_deref(), AccessNet::BindTcp)?.restrict_self()?;
    Ok(())
}

fn handled<P>(
    rules: &Rules<P>,
    read: BitFlags<AccessFs>,
    write: BitFlags<AccessFs>,
) -> Result<Ruleset, RulesetError> {
    let mut ruleset = Ruleset::default();
    for (_, access) in
        [(&rules.read, read), (&rules.write, write)].iter().filter(|(list, _)| list.is_some())
    {
        ruleset = ruleset.handle_access(*access)?;
    }
    if rules.connect.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    if rules.bind.is_some() {
        ruleset = ruleset.handle_access(AccessNet::BindTcp)?;
    }
    if rules.own_signals {
        ruleset = ruleset.scope(Scope::Signal)?;
    }
    if rules.own_sockets {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket)?;
    }
    Ok(ruleset)
}

fn paths(
    created: RulesetCreated,
    list: Option<&[impl AsRef<Path>]>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    created.add_rules(path_beneath_rules(list.unwrap_or_default(), access))
}

fn ports(
    mut created: RulesetCreated,
    list: Option<&[u16]>,
    access: AccessNet,
) -> Result<RulesetCreated, RulesetError> {
    for port in list.unwrap_or_default() {
        created = created.add_rule(NetPort::new(*port, access))?;
    }
    Ok(created)
}
