//! What a login and a signed-in request cost in calls of DingTalk's and of the store's.
