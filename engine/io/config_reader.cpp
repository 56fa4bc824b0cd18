// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/config_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

namespace hft {

namespace {

using Json = nlohmann::json;

std::string escaped(const std::string& key) {
    std::string out;
    for (const char c : key) {
        if (c == '~') {
            out += "~0";
        } else if (c == '/') {
            out += "~1";
        } else {
            out += c;
        }
    }
    return out;
}

// Walks the text only to find keys that stand twice: the tree keeps just the last of them.
class DuplicateFinder final : public nlohmann::json_sax<Json> {
public:
    explicit DuplicateFinder(ConfigErrors& errors) : errors_(errors) {}
    bool null() override { return value(); }
    bool boolean(bool) override { return value(); }
    bool number_integer(number_integer_t) override { return value(); }
    bool number_unsigned(number_unsigned_t) override { return value(); }
    bool number_float(number_float_t, const string_t&) override { return value(); }
    bool string(string_t&) override { return value(); }
    bool binary(binary_t&) override { return value(); }
    bool start_object(std::size_t) override { return open(false); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(true); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        Level& level = levels_.back();
        level.step = escaped(name);
        if (!level.keys.insert(name).second) errors_.add(place(), "this key stands twice; keep one of them");
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

private:
    struct Level {
        bool array = false;
        std::size_t index = 0;
        std::string step;
        std::set<std::string> keys;
    };
    bool value() {
        if (!levels_.empty() && levels_.back().array) levels_.back().step = std::to_string(++levels_.back().index);
        return true;
    }
    bool open(bool array) {
        levels_.push_back(Level{array, 0, array ? "0" : "", {}});
        return true;
    }
    bool close() {
        levels_.pop_back();
        return value();
    }
    [[nodiscard]] std::string place() const {
        std::string text;
        for (const Level& level : levels_) text += "/" + level.step;
        return text;
    }
    ConfigErrors& errors_;
    std::vector<Level> levels_;
};

std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

std::string number_text(double value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

std::string range_text(const NumberRange& range) {
    const bool low = range.low > -std::numeric_limits<double>::max();
    const bool high = range.high < std::numeric_limits<double>::max();
    std::string text;
    if (low) text += std::string(range.above_low ? " > " : " >= ") + number_text(range.low);
    if (high) text += std::string(low ? " and <= " : " <= ") + number_text(range.high);
    return text;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "\"" : " or \"") + word + "\"";
    return text;
}

}  // namespace

std::string ConfigErrors::text() const {
    std::string out;
    for (const ConfigError& error : errors_) out += (error.pointer.empty() ? "/" : error.pointer) + ": " + error.text + "\n";
    return out;
}

std::string ConfigErrors::one_line() const {
    std::string line = text();
    while (!line.empty() && line.back() == '\n') line.pop_back();
    for (std::size_t at = line.find('\n'); at != std::string::npos; at = line.find('\n', at)) line.replace(at, 1, "; ");
    return line;
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2);
    for (const std::string& candidate : known) {
        const std::size_t d = distance(word, candidate);
        if (d <= best_distance && (best.empty() || d < best_distance)) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

std::string excerpt(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
}

ConfigObject::ConfigObject(const Json* json, std::string pointer, std::vector<std::string> known, ConfigErrors& errors)
    : json_(json), pointer_(std::move(pointer)), errors_(errors) {
    if (json_ == nullptr) return;
    if (!json_->is_object()) {
        errors_.add(pointer_, "expected an object, found " + excerpt(*json_));
        json_ = nullptr;
        return;
    }
    for (const auto& [key, value] : json_->items()) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        const std::string near = nearest(key, known);
        std::string keys;
        for (const std::string& k : known) keys += (keys.empty() ? "" : ", ") + k;
        errors_.add(this->pointer(key),
                    "unknown key" + (near.empty() ? "; known here: " + keys : "; nearest known key is \"" + near + "\""));
    }
}

std::string ConfigObject::pointer(const std::string& key) const { return pointer_ + "/" + escaped(key); }

bool ConfigObject::has(const std::string& key) const { return json_ != nullptr && json_->contains(key); }

const Json* ConfigObject::child(const std::string& key) const {
    if (json_ == nullptr) return nullptr;
    const auto found = json_->find(key);
    if (found != json_->end()) return &*found;
    errors_.add(pointer(key), "missing");
    return nullptr;
}

std::string ConfigObject::text(const std::string& key, std::size_t max_length, const char* fallback) const {
    if (!has(key) && fallback != nullptr) return fallback;
    const Json* value = child(key);
    if (value == nullptr) return {};
    const bool good =
        value->is_string() && !value->get_ref<const std::string&>().empty() && value->get_ref<const std::string&>().size() <= max_length;
    if (good) return value->get<std::string>();
    errors_.add(pointer(key), "expected text of 1 to " + std::to_string(max_length) + " characters, found " + excerpt(*value));
    return {};
}

std::string ConfigObject::name(const std::string& key, std::size_t max_length, const char* fallback) const {
    std::string value = text(key, max_length, fallback);
    const bool good = std::all_of(value.begin(), value.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    });
    if (good) return value;
    errors_.add(pointer(key), "expected only letters, digits, '.', '_' and '-', found " + excerpt(Json(value)));
    return {};
}

double ConfigObject::number(const std::string& key, const NumberRange& range, double fallback) const {
    if (!has(key) && !std::isnan(fallback)) return fallback;
    const Json* value = child(key);
    if (value == nullptr) return 0;
    if (value->is_number()) {
        const double number = value->get<double>();
        const bool low = range.above_low ? number > range.low : number >= range.low;
        if (low && number <= range.high) return number;
    }
    errors_.add(pointer(key), "expected a number" + range_text(range) + ", found " + excerpt(*value));
    return 0;
}

std::int64_t ConfigObject::integer(const std::string& key, std::int64_t low, std::int64_t high) const {
    const Json* value = child(key);
    if (value == nullptr) return low;
    if (value->is_number_integer()) {
        // Above int64 it is unsigned, and too large for every range here.
        const bool fits = !value->is_number_unsigned() ||
                          value->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        if (fits && value->get<std::int64_t>() >= low && value->get<std::int64_t>() <= high) return value->get<std::int64_t>();
    }
    errors_.add(pointer(key),
                "expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", found " + excerpt(*value));
    return low;
}

std::int64_t ConfigObject::integer(const std::string& key, std::int64_t low, std::int64_t high, std::int64_t fallback) const {
    return has(key) ? integer(key, low, high) : fallback;
}

std::string ConfigObject::choice(const std::string& key, const std::vector<std::string>& choices, const char* fallback) const {
    if (!has(key) && fallback != nullptr) return fallback;
    const Json* value = child(key);
    if (value == nullptr) return choices.front();
    if (value->is_string() && std::find(choices.begin(), choices.end(), value->get_ref<const std::string&>()) != choices.end()) {
        return value->get<std::string>();
    }
    errors_.add(pointer(key), "expected " + joined(choices) + ", found " + excerpt(*value));
    return choices.front();
}

bool ConfigObject::truth(const std::string& key, bool fallback) const {
    if (!has(key)) return fallback;
    const Json& value = *child(key);
    if (value.is_boolean()) return value.get<bool>();
    errors_.add(pointer(key), "expected true or false, found " + excerpt(value));
    return fallback;
}

const Json* ConfigObject::list(const std::string& key) const {
    const Json* value = child(key);
    if (value == nullptr) return nullptr;
    if (value->is_array() && !value->empty()) return value;
    errors_.add(pointer(key), "expected a list of at least one, found " + excerpt(*value));
    return nullptr;
}

Json parse_config(const std::string& text, ConfigErrors& errors) {
    Json json;
    try {
        json = Json::parse(text);
    } catch (const Json::exception& error) {
        // A number that no double holds is not a parse_error there.
        errors.add("", std::string("not JSON: ") + error.what());
        return nullptr;
    }
    DuplicateFinder finder(errors);
    Json::sax_parse(text, &finder);
    return json;
}

Json read_config_file(const std::string& path, ConfigErrors& errors) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        errors.add("", path + ": " + std::strerror(errno));
        return nullptr;
    }
    std::ostringstream text;
    text << in.rdbuf();
    return parse_config(text.str(), errors);
}

}  // namespace hft
