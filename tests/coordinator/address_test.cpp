#include "coordinator/rules/address.hpp"

#include <doctest/doctest.h>

#include "coordinator/rules/draw.hpp"

using namespace coordinator;

TEST_CASE("a URL is complete, of a known scheme, and carries no user") {
  const auto url = parse_url("wss://relay.example:8443/relay");
  REQUIRE(url);
  CHECK(url->host == "relay.example");
  CHECK(url->port == 8443);
  CHECK(url->path == "/relay");
  CHECK(http_base(*url) == "https://relay.example:8443");
  CHECK(parse_url("ws://[2001:db8::1]/relay")->is_ipv6);
  CHECK(authority(*parse_url("ws://[2001:db8::1]:9/relay")) == "[2001:db8::1]:9");
  CHECK(parse_url("wss://a/")->port == 443);
  for (const char* wrong : {"", "a:1", "ftp://a/", "ws://", "ws://u:p@a/", "ws://a:0/", "ws://a:65536/", "ws://a:/",
                            "ws://a b/", "ws://[::1/", "ws://[x]/", "ws://a/\n", "ws://a/#x", "//a/"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_url(wrong));
  }
}

TEST_CASE("loopback, private, link-local, mapped and numeric hosts are never dialled unless the operator allows them") {
  for (const char* host : {"127.0.0.1",
                           "127.255.1.1",
                           "localhost",
                           "a.localhost",
                           "localhost.",
                           "10.1.2.3",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.0.1",
                           "169.254.1.1",
                           "100.64.0.1",
                           "0.0.0.0",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::1",
                           "::",
                           "fe80::1",
                           "fc00::1",
                           "fd12::1",
                           "ff02::1",
                           "::ffff:8.8.8.8",
                           "::ffff:127.0.0.1",
                           "64:ff9b::7f00:1",
                           "2002:7f00:1::",
                           "2130706433",
                           "0x7f000001",
                           "0x7f.1",
                           "0177.0.0.1",
                           "127.1",
                           "1.2.3.4."}) {
    CAPTURE(host);
    CHECK_FALSE(may_dial(host_kind(host), false));
    CHECK(may_dial(host_kind(host), true));
  }
  for (const char* host :
       {"8.8.8.8", "172.32.0.1", "100.128.0.1", "relay.example", "2606:4700::1", "1a.example", "0x.example"}) {
    CAPTURE(host);
    CHECK(may_dial(host_kind(host), false));
  }
}

TEST_CASE("a prefix is shared by a network, a private address with nobody") {
  CHECK(prefix_of("203.0.113.77") == "203.0.113.0/24");
  CHECK(prefix_of("2606:4700:1:2::3") == "2606:4700:1::/48");
  CHECK(group_of("2606:4700:1:2::3") == "2606:4700::/32");
  CHECK(prefix_of("127.0.0.1").empty());
  CHECK(group_of("192.168.1.4") == "192.168.1.4");
  CHECK(normal_address("::ffff:203.0.113.5") == "203.0.113.5");
}

TEST_CASE("an address is told by kind, proof and place") {
  const NodeAddresses node{{{"public", "ws://p/", 5}, {"lan", "ws://l/", 1}, {"vpn", "ws://v/", 1}}, {}, "203.0.113.5"};
  CHECK_FALSE(address_for(node, {"198.51.100.1", {"public", "lan"}}));
  CHECK(address_for(node, {"203.0.113.5", {"public", "lan"}})->url == "ws://l/");
  CHECK_FALSE(address_for(node, {"203.0.113.5", {"public"}}));
  CHECK(address_for(node, {"198.51.100.1", {"vpn"}})->url == "ws://v/");
  NodeAddresses proven = node;
  proven.proven = {"ws://p/"};
  CHECK(address_for(proven, {"198.51.100.1", {"public", "lan"}})->url == "ws://p/");
  proven.all.push_back({"public", "ws://better/", 1});
  proven.proven.push_back("ws://better/");
  CHECK(address_for(proven, {"198.51.100.1", {"public"}})->url == "ws://better/");
}

TEST_CASE("two different relays are drawn and the less used one comes first") {
  const std::vector<Candidate> two{{"busy", 50'000, 20'000, 2'000}, {"idle", 50'000, 20'000, 19'000}};
  for (uint64_t a = 0; a < 8; ++a) {
    const auto drawn = draw_two(two, a << 61, ~a);
    CHECK(drawn == std::vector<std::string>{"idle", "busy"});
  }
  CHECK(draw_two({}, 1, 2).empty());
  CHECK(draw_two({{"only", 50'000, 1, 1}}, 1, 2) == std::vector<std::string>{"only"});
}

TEST_CASE("a draw follows trust times capacity, and capacity follows what was proven") {
  const std::vector<Candidate> nodes{
      {"small", 50'000, 10'000, 10'000}, {"large", 50'000, 90'000, 90'000}, {"other", 50'000, 10'000, 10'000}};
  int large = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const auto drawn = draw_two(nodes, i * (UINT64_MAX / 1000), 1ULL << 63);
    large += drawn[0] == "large" || drawn[1] == "large" ? 1 : 0;
  }
  CHECK(large > 900);
  CHECK(draw_capacity(1'000'000, 0) == 20'000);
  CHECK(draw_capacity(1'000'000, 50'000) == 100'000);
  CHECK(draw_capacity(5'000, 50'000) == 5'000);
}

TEST_CASE("a seat is one of sixteen of its group and stays with its viewer") {
  CHECK(seat_of("s", "g", "viewer") == seat_of("s", "g", "viewer"));
  CHECK(seat_of("s", "g", "viewer").starts_with("g#"));
}
