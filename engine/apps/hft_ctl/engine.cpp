// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_ctl/engine.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "io/config_reader.hpp"
#include "io/environment_file.hpp"
#include "io/fd.hpp"

namespace hft::ctl {

namespace {

using Json = nlohmann::json;

std::string first(const std::string& list) { return list.substr(0, list.find(',')); }

std::string text_at(const Json& json, const char* pointer, const std::string& fallback) {
    const Json::json_pointer place(pointer);
    return json.contains(place) && json.at(place).is_string() ? json.at(place).get<std::string>() : fallback;
}

// What listens everywhere also listens here.
std::string reachable(const std::string& listen) {
    if (listen == "0.0.0.0") return "127.0.0.1";
    return listen == "::" ? "::1" : listen;
}

}  // namespace

Engine find_engine(const Arguments& arguments) {
    const auto home = std::filesystem::path(arguments.config).parent_path().parent_path();
    Engine engine;
    ConfigErrors errors;
    const Json config = read_config_file(arguments.config, errors);
    if (!errors.empty()) engine.note = arguments.config + " cannot be read; going by the usual places\n";
    engine.data_dir = text_at(config, "/engine/data_dir", (home / "data").string());
    engine.api.host = reachable(text_at(config, "/api/listen", "127.0.0.1"));
    const Json::json_pointer port("/api/port");
    engine.api.port =
        config.contains(port) && config.at(port).is_number_unsigned() ? config.at(port).get<std::uint16_t>() : std::uint16_t{8080};
    engine.api.certificate = text_at(config, "/api/tls/certificate", "");

    const std::string file = arguments.environment.empty() ? (home / ".env").string() : arguments.environment;
    std::map<std::string, std::string> variables = read_environment_file(file);
    for (const char* name : {"API_TOKENS_READ", "API_TOKENS_OPERATE", "API_TOKENS_KILL", "API_CLIENT_CERTIFICATE", "API_CLIENT_KEY"}) {
        if (const char* value = std::getenv(name); value != nullptr) variables[name] = value;
    }
    engine.api.own = {variables["API_CLIENT_CERTIFICATE"], variables["API_CLIENT_KEY"], {}};
    engine.operate_token = first(variables["API_TOKENS_OPERATE"]);
    engine.kill_token = first(variables["API_TOKENS_KILL"]);
    engine.read_token = first(variables["API_TOKENS_READ"]);
    if (engine.read_token.empty()) engine.read_token = engine.operate_token.empty() ? engine.kill_token : engine.operate_token;
    return engine;
}

pid_t Engine::pid() const {
    const Fd lock(::open((data_dir + "/engine.lock").c_str(), O_RDONLY | O_CLOEXEC));
    // Whoever can have the lock has proof that nobody else does; a number in the file alone proves nothing.
    if (!lock || ::flock(lock.get(), LOCK_SH | LOCK_NB) == 0) return 0;
    std::array<char, 32> text{};
    const ssize_t n = ::pread(lock.get(), text.data(), text.size(), 0);
    pid_t pid = 0;
    if (n > 0) std::from_chars(text.data(), text.data() + n, pid);
    return pid;
}

HttpAnswer Engine::ask(const std::string& token, const std::string& method, const std::string& path, const Json& body, Nanos limit) const {
    HttpTarget target = api;
    target.token = token;
    return http_ask(target, method, path, body.is_null() ? "" : body.dump(-1, ' ', true, Json::error_handler_t::replace), limit);
}

}  // namespace hft::ctl
