vcl 4.1;
backend relay { .host = "$host"; .port = "$upstream_port"; .first_byte_timeout = 30s; }
sub vcl_backend_response {
  set beresp.grace = 0s;
  if (beresp.status == 200) { set beresp.ttl = 60s; } else { set beresp.ttl = 0s; set beresp.uncacheable = true; }
}
