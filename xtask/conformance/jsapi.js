// DingTalk's script as a page loads it: it sets `window.dd`.
window.dd = require('dingtalk-jsapi');
