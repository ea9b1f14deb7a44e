//! Where the sign-in page sends people who try it without an app.

use super::{Page, Shown};
use crate::signin::frame::Frames;

impl Page<'_> {
    /// In the place of an app: what it gets, and what its server does with it.
    pub(in crate::signin) fn back(&self) -> Shown {
        let title = self.say("应用收到了什么", "What the app gets");
        let lead = self.say(
            "登录页把人送回应用的 redirect_uri，接下来的事本由应用的服务器来做，这里由本页代劳。",
            "The sign-in page sends people back to the app's redirect_uri. What the app's server does next, this page does in its place.",
        );
        let main = format!(
            "{}<ol id=\"steps\" class=\"steps\" aria-live=\"polite\"></ol>\
             <noscript><p class=\"alert\">{}</p></noscript>\
             <p class=\"hint\"><a href=\"/\">{}</a></p><script src=\"/signin/back.js\" defer></script>",
            self.head(title, lead),
            self.say("本页需要 JavaScript。", "This page needs JavaScript."),
            self.say(
                "回到沙箱首页看这些调用",
                "See these calls on the sandbox's start page"
            ),
        );
        self.shown(200, title, "steps-page", "", &main, Frames::Nobody)
    }
}
