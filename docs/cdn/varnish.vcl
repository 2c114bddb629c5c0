vcl 4.1;
# Varnish (6.0 or newer, with vmod xkey of varnish-modules) in front of an app with tooloo-native's Cdn tier.

import std;
import xkey;

backend default {
    .host = "127.0.0.1";
    .port = "3000";
}

# Who may purge. With a token as well, uncomment the line in vcl_recv.
acl purgers {
    "127.0.0.1";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403));
        }
        # if (req.http.x-purge-token != "a secret of yours") { return (synth(403)); }
        if (req.http.x-purge-everything) {
            ban("obj.status != 0");
            return (synth(200, "everything"));
        }
        if (req.http.xkey-softpurge) {
            set req.http.x-gone = xkey.softpurge(req.http.xkey-softpurge);
        } else if (req.http.xkey-purge) {
            set req.http.x-gone = xkey.purge(req.http.xkey-purge);
        } else {
            return (synth(400));
        }
        return (synth(200, req.http.x-gone));
    }
}

sub vcl_backend_response {
    # What is stale stays as it is while the app is failing.
    if (beresp.status >= 500 && bereq.is_bgfetch) {
        return (abandon);
    }
    if (beresp.http.Surrogate-Control ~ "no-store") {
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
        set beresp.grace = 0s;
    } else if (beresp.http.Surrogate-Control ~ "max-age=[0-9]+") {
        set beresp.ttl = std.duration(regsub(beresp.http.Surrogate-Control, "^.*max-age=([0-9]+).*$", "\1s"), 0s);
        set beresp.grace = 0s;
        if (beresp.http.Surrogate-Control ~ "stale-if-error=[0-9]+") {
            set beresp.grace = std.duration(regsub(beresp.http.Surrogate-Control, "^.*stale-if-error=([0-9]+).*$", "\1s"), 0s);
        }
    }
    unset beresp.http.Surrogate-Control;
}

sub vcl_deliver {
    # Tags are nobody's business outside.
    unset resp.http.xkey;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "HIT";
    } else {
        set resp.http.X-Cache = "MISS";
    }
}
