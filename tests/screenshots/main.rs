//! The README's pictures: somebody opens the demo's app in the sandbox's client, the calls that it cost, and how the app's page asks
//! whoever opens it in another browser to sign in.
//!
//! `screenshots SANDBOX_URL FOLDER`, with the demo running.

use std::path::Path;

use dingtalk_tests::chromium::{Chromium, Look};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(sandbox), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("screenshots SANDBOX_URL FOLDER".into());
    };
    let folder = Path::new(&folder);
    let look = Look {
        width: 1200,
        height: 900,
        ..Look::DESK
    };
    let profile = Chromium::shared().await.profile().await;

    let tab = profile.tab(look, None).await;
    tab.open(&sandbox).await;
    tab.until("!!document.querySelector('.welcome a.primary')")
        .await;
    tab.press(".welcome a.primary").await;
    tab.until_framed_text("张伟").await;
    tab.until("document.querySelectorAll('#asked li').length > 0")
        .await;
    let picture = tab.picture_of(1200.0, 920.0).await;
    std::fs::write(folder.join("client.png"), picture)?;

    tab.open(&sandbox).await;
    tab.until_text("getuserinfo").await;
    let picture = tab.picture_of(1200.0, 780.0).await;
    std::fs::write(folder.join("sandbox.png"), picture)?;

    let app = "fetch('/sandbox/world').then((answer) => answer.json()).then((world) => new URL(world.apps[0].home_url).origin)";
    let app = tab.evaluate(app).await;
    let app = app.as_str().ok_or("the world names no app")?;
    let look = Look {
        width: 720,
        height: 580,
        ..look
    };
    let tab = profile.tab(look, None).await;
    tab.open(&format!("{app}/orders")).await;
    tab.until_framed_text("Open the phone").await;
    let picture = tab.picture_of(720.0, 580.0).await;
    std::fs::write(folder.join("sign-in.png"), picture)?;
    Ok(())
}
