"""The real scripts, each under dash and bash, in a root folder, with fake programs that write down their calls."""
