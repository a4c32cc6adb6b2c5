package theatre;

import java.util.List;

public class Prompter {
    private final List<String> lines;

    public Prompter(List<String> lines) {
        this.lines = lines;
    }

    public String next(int spoken) {
        return spoken < lines.size() ? lines.get(spoken) : "";
    }
}
