//! The app in actix-web.

use std::net::TcpListener;

use actix_web::web::{self, Data, Html};
use actix_web::{App, HttpServer, rt};
use dingtalk_actix::{DingTalk, DingTalkAuth, DingTalkUser, MaybeDingTalkUser, RequireDingTalk};

use crate::page::{self, Links};

/// actix-web runs on a runtime of its own.
pub(crate) fn serve(listener: TcpListener, dingtalk: DingTalk, links: Links) {
    let auth = DingTalkAuth::new(dingtalk);
    let links = Data::new(links);
    let app = move || {
        let admin = web::scope("/admin").route("", web::get().to(async || "for administrators"));
        App::new()
            .app_data(links.clone())
            .route("/", web::get().to(home))
            .route("/orders", web::get().to(orders))
            .service(admin.wrap(RequireDingTalk::new().allow(|user| user.is_admin())))
            .wrap(auth.clone())
    };
    std::thread::spawn(move || {
        let served = rt::System::new().block_on(async {
            let server = HttpServer::new(app).workers(1).disable_signals();
            server.listen(listener)?.run().await
        });
        if let Err(error) = served {
            eprintln!("actix-web: {error}");
        }
    });
}

async fn home(MaybeDingTalkUser(user): MaybeDingTalkUser, links: Data<Links>) -> Html {
    Html::new(page::home("actix-web", user.as_ref(), &links))
}

async fn orders(user: DingTalkUser) -> String {
    format!("你好, {}", user.name())
}
