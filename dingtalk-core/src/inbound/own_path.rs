//! The paths that are ours, under the base path.

use crate::DingTalk;

/// The paths that are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnPath {
    Login,
    Callback,
    Logout,
    Me,
}

impl OwnPath {
    const ALL: [Self; 4] = [Self::Login, Self::Callback, Self::Logout, Self::Me];

    const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Callback => "callback",
            Self::Logout => "logout",
            Self::Me => "me",
        }
    }

    /// For the Allow header.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Login => "GET, HEAD, POST, OPTIONS",
            // No HEAD: looking at it must not spend a code.
            Self::Callback => "GET, OPTIONS",
            Self::Logout => "POST, OPTIONS",
            Self::Me => "GET, HEAD, OPTIONS",
        }
    }

    /// It answers page loads with pages.
    pub(super) const fn shows_pages(self) -> bool {
        matches!(self, Self::Login | Self::Callback)
    }

    pub(super) fn allows(self, method: &str) -> bool {
        self.methods().split(", ").any(|allowed| allowed == method)
    }
}

impl DingTalk {
    pub(super) fn own_path(&self, path: &str) -> Option<OwnPath> {
        let own = |path: &str| {
            let name = path.strip_prefix(&*self.0.base_path)?.strip_prefix('/')?;
            OwnPath::ALL.into_iter().find(|own| own.name() == name)
        };
        // A proxy may have taken the prefix off, and the prefix may begin like the base path. An empty one is not compared: that
        // reads from a pointer to nothing, which costs more than the rest of this function.
        let prefix = Some(self.0.origin.prefix()).filter(|prefix| !prefix.is_empty());
        let inside = prefix.and_then(|prefix| path.strip_prefix(prefix));
        inside.and_then(own).or_else(|| own(path))
    }

    pub(super) fn own_url(&self, own: OwnPath) -> String {
        format!("{}{}/{}", self.0.origin, self.base_path(), own.name())
    }

    /// The path as the browser sees it, before a proxy takes the prefix off.
    pub(super) fn own_target(&self, own: OwnPath) -> String {
        let prefix = self.0.origin.prefix();
        format!("{prefix}{}/{}", self.base_path(), own.name())
    }
}
