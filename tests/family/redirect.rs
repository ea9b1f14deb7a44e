//! Where a login or logout goes on to.
